/* Everything outside the world: logo, title, attract scenes, the stage of the intro, the end. */
#ifndef TITLE_H
#define TITLE_H

void publisher_logo(void);
void title(void); /* returns when Start is pressed at the title */
void intro_stage(void);
void credits(void); /* returns when Start is pressed */

#endif
