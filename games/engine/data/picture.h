/* Pictures, drawn in the source: one hex digit a pixel, 0 white to 3 black. */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdint.h>

/* One row of 8 pixels as the two bytes the PPU reads: low bit plane, high bit plane. */
#define PIXEL(x, i, b) ((uint8_t)((x) >> (21 - 3 * (i) + (b))) & (0x80 >> (i)))
#define PLANE(x, b)                                                         \
    (uint8_t)(PIXEL(x, 0, b) | PIXEL(x, 1, b) | PIXEL(x, 2, b) |            \
              PIXEL(x, 3, b) | PIXEL(x, 4, b) | PIXEL(x, 5, b) |            \
              PIXEL(x, 6, b) | PIXEL(x, 7, b))
#define ROW8(x) PLANE(x, 0), PLANE(x, 1)
#define ROW16(left, right) ROW8(0x##left##UL), ROW8(0x##right##UL)

#define PICTURE_BYTES 64 /* 16 rows of ROW16 */

#endif
