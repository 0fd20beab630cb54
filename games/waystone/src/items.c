#include "items.h"

#include "state.h"
#include "text.h"
#include "texts.h"

#define BREAD_HP 10

static const label items[] = {"BREAD", "BACK"};
#define ITEMS (sizeof items / sizeof items[0])

void pack_bread(uint8_t loaves) {
    if (game.bread < loaves) game.bread = loaves;
}

uint8_t eat_in_battle(void) {
    if (choose(items, ITEMS, 0, SMALL) != 0) return 0;
    if (!game.bread) {
        say(TEXT_NO_BREAD);
        return 0;
    }
    game.bread--;
    game.hp = game.hp + BREAD_HP < FULL_HP ? game.hp + BREAD_HP : FULL_HP;
    return 1;
}

void look_into_pack(void) {
    text_number = game.bread;
    say(game.flags & HAS_KEY ? TEXT_PACK_KEY : TEXT_PACK);
}
