/* The menu that Start opens in the world. It helps with little. */
#ifndef MENUS_H
#define MENUS_H

void start_menu(void);

#endif
