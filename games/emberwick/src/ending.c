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
    {"\"\"P\"\".\"P\"\"______T___", "ROADS AND GRASS", "THE LAMPLIGHTERS"},
    {"^^^^ Y ^^^wcow:::wDo", "BEDS AND HONEY", "THE REST HOUSES"},
    {"PPPPPPPPPP\"\"\"\"P\"\"\"\"P", "THE LONG WOOD", "NOBODY WHO LEFT IT"},
};
#define CREDITS_COUNT (sizeof credits / sizeof credits[0])

static void the_end(void) {
    screen_begin();
    clear_background();
    print_big(3, 2, "THE END");
    put_rows(3, 2, "    mZm   " "~~~HHHHH~~");
    print_at(2, 12, "SHIPS COME HOME.");
    print_at(2, 14, "YOU MAY REST NOW.");
    screen_end();
}

static void show_credit(const struct credit *credit) {
    screen_begin();
    clear_background();
    put_rows(1, 2, credit->scene);
    print_at(1, 9, credit->work);
    print_at(1, 12, credit->who);
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
