/* The end and the credits. */
#ifndef ENDING_H
#define ENDING_H

void ending(void);

#endif
