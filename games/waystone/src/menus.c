#include "menus.h"

#include "script.h"
#include "state.h"
#include "text.h"

enum { PACK, MAP, DIARY, CLOSE, ITEMS };

static const label items[] = {"PACK", "MAP", "DIARY", "CLOSE"};

static const label answers[] = {
    "A LOAF OF BREAD,\nHALF EATEN.",
    "THE INK HAS RUN.\nNOTHING TO READ.",
    "DEAR DIARY, TODAY\n@ SET OUT...",
};

void start_menu(void) {
    uint8_t choice = 0;
    for (;;) {
        choice = choose(items, ITEMS, choice);
        if (choice == CANCELLED || choice == CLOSE) return;
        if (choice == PACK && reached(GOT_KEY)) {
            say("HALF A LOAF, AND\nAN IRON KEY.");
        } else {
            say(answers[choice]);
        }
    }
}
