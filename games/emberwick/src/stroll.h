/* People who walk about, near where they belong: of the first four on a map those with STROLL. */
#ifndef STROLL_H
#define STROLL_H

/* One frame: a step goes on, or now and then one begins. */
void stroll(void);

#endif
