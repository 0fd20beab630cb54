#include "fade.h"

#include <stdint.h>

#include "hardware.h"
#include "state.h"
#include "video.h"

#define STAGE_FRAMES 3
#define BLANK_FRAMES 6 /* before the LCD is switched off, and after */
#define STAGES 3

static const uint8_t paler[STAGES] = {0xE4, 0x90, 0x40}; /* from normal on; then 0x00, all white */

void fade_out(void) {
    game.fading = 1;
    for (uint8_t i = 1; i < STAGES; i++) {
        BGP = OBP0 = paler[i];
        wait_frames(STAGE_FRAMES);
    }
    BGP = OBP0 = 0;
    wait_frames(BLANK_FRAMES);
}

void fade_in(void) {
    OBP0 = 0;
    wait_frames(BLANK_FRAMES);
    for (uint8_t i = STAGES - 1; i; i--) {
        BGP = OBP0 = paler[i];
        wait_frames(STAGE_FRAMES);
    }
    BGP = 0xE4;
    OBP0 = 0xE0;
    game.fading = 0;
}
