/* The opening talk and the choice of a name. */
#ifndef INTRO_H
#define INTRO_H

void intro(void);

#endif
