#include "ending.h"

#include "state.h"
#include "title.h"
#include "video.h"

#define END_FRAMES 600
#define CREDIT_FRAMES 180

struct credit {
    const char *scene; /* two rows of ten metatiles */
    const char *work, *who;
};

static const struct credit credits[] = {
    {"T..*b.P.*TPT_TT_PT_T", "ROADS AND RIVERS", "THE LONG WALKERS"},
    {"w^^w~~~~^^wowD*..wDo", "HOUSES AND BREAD", "CROSSWELL'S OVENS"},
    {"RxRRiRRzRRBQBKKEKBBB", "DARK PLACES", "A MINER WHO LEFT"},
};
#define CREDITS_COUNT (sizeof credits / sizeof credits[0])

static void the_end(void) {
    screen_begin();
    clear_background();
    print_big(3, 2, "THE END");
    put_rows(3, 2, "~~~~~~~~~~" "*.*..*.*.*");
    print_at(3, 11, "THE ROADS SING");
    print_at(3, 13, "AND YOU MAY REST");
    screen_end();
}

static void show_credit(const struct credit *credit) {
    screen_begin();
    clear_background();
    put_rows(1, 2, credit->scene);
    print_at(2, 9, credit->work);
    print_at(2, 12, credit->who);
    screen_end();
}

/* Start hurries it on. */
void ending(void) {
    game.mode = CREDITS;
    the_end();
    start_within(END_FRAMES);
    for (uint8_t i = 0; i < CREDITS_COUNT; i++) {
        show_credit(&credits[i]);
        start_within(CREDIT_FRAMES);
    }
}
