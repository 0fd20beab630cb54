#include "menus.h"

#include "growth.h"
#include "items.h"
#include "state.h"
#include "text.h"
#include "texts.h"

enum { PACK, SPIRIT, MAP, DIARY, SONG, CLOSE, LINES };

static const label lines[] = {"PACK", "SPIRIT", "MAP", "DIARY", "SONG", "CLOSE"};

void start_menu(void) {
    for (;;) {
        switch (ask(START_MENU, lines, LINES)) {
        case PACK: look_into_pack(); break;
        case SPIRIT: tell_of_spirit(); break;
        case MAP: say(TEXT_MAP); break;
        case DIARY: say(TEXT_DIARY); break;
        case SONG: say(TEXT_SONG); break;
        default: return;
        }
    }
}
