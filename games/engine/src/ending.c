#include "ending.h"

#include "pages.h"
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
    CREDIT_PAGES
};
#define CREDITS_COUNT (sizeof credits / sizeof credits[0])

static void the_end(void) {
    screen_begin();
    clear_background();
    print_big(3, 2, "THE END");
    put_rows(3, 2, END_SCENE);
    print_at(END_COLUMN, END_ROW, END_LINE_1);
    print_at(END_COLUMN, END_ROW + 2, END_LINE_2);
    screen_end();
}

static void show_credit(const struct credit *credit) {
    screen_begin();
    clear_background();
    put_rows(1, 2, credit->scene);
    print_at(CREDIT_COLUMN, 9, credit->work);
    print_at(CREDIT_COLUMN, 12, credit->who);
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
