/* What the intro, the end and the credits show. Scenes are rows of ten metatiles. */
#ifndef PAGES_H
#define PAGES_H

#define INTRO_STAGE \
    "          " \
    "  y    y  " \
    "          " \
    "::::::::::"
#define INTRO_KEEPER_Y 48

#define END_SCENE "    mZm   " "~~~HHHHH~~"
#define END_COLUMN 2
#define END_ROW 12
#define END_LINE_1 "SHIPS COME HOME."
#define END_LINE_2 "YOU MAY REST NOW."

#define CREDIT_COLUMN 1
/* A scene of two rows, the work, who did it. */
#define CREDIT_PAGES \
    {"\"\"P\"\".\"P\"\"" "______T___", "ROADS AND GRASS", "THE LAMPLIGHTERS"}, \
    {"^^^^ Y ^^^" "wcow:::wDo", "BEDS AND HONEY", "THE REST HOUSES"}, \
    {"PPPPPPPPPP" "\"\"\"\"P\"\"\"\"P", "THE LONG WOOD", "NOBODY WHO LEFT IT"},

#endif
