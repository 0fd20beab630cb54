/* The menu that Start opens in the world. Each game has its own. */
#ifndef MENUS_H
#define MENUS_H

void start_menu(void);

#endif
