/* The registers that the games use, by their Pan Docs names, and the buttons. */
#ifndef HARDWARE_H
#define HARDWARE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint8_t *)(address))
#define P1 REGISTER(0xFF00)
#define DIV REGISTER(0xFF04)
#define LCDC REGISTER(0xFF40)
#define BGP REGISTER(0xFF47)
#define OBP0 REGISTER(0xFF48)
#define WY REGISTER(0xFF4A)
#define WX REGISTER(0xFF4B)

#define LCDC_ON 0x80
#define LCDC_WINDOW_MAP_9C00 0x40
#define LCDC_WINDOW 0x20
#define LCDC_TALL_SPRITES 0x04
#define LCDC_SPRITES 0x02
#define LCDC_BACKGROUND 0x01

#define VRAM_SPRITES ((uint8_t *)0x8000)
#define VRAM_BACKGROUND ((uint8_t *)0x9800)
#define VRAM_WINDOW ((uint8_t *)0x9C00)

#define RIGHT 0x01
#define LEFT 0x02
#define UP 0x04
#define DOWN 0x08
#define DIRECTIONS 0x0F
#define BUTTON_A 0x10
#define BUTTON_B 0x20
#define SELECT 0x40
#define START 0x80

#endif
