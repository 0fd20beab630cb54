"""What a game is to the rest of the project: ROM, buttons, input movies, milestones."""
