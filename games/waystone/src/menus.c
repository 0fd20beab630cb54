#include "menus.h"

#include "items.h"
#include "text.h"
#include "texts.h"

enum { PACK, MAP, DIARY, CLOSE, ITEMS };

static const label items[] = {"PACK", "MAP", "DIARY", "CLOSE"};

void start_menu(void) {
    uint8_t choice = PACK;
    for (;;) {
        choice = choose(items, ITEMS, choice, TALL);
        switch (choice) {
        case PACK: look_into_pack(); break;
        case MAP: say(TEXT_MAP); break;
        case DIARY: say(TEXT_DIARY); break;
        default: return;
        }
    }
}
