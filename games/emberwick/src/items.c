#include "items.h"

#include "state.h"
#include "text.h"
#include "texts.h"

#define HONEY_HP 15
#define MOST_COINS 99
#define MOST_ITEMS 9

static const label yes_no[] = {"YES", "NO"};
static const label goods[] = {"HONEY", "TEA", "BACK"};
static const uint8_t prices[ITEMS] = {4, 9};

uint8_t ask(uint8_t menu, const label *labels, uint8_t count) {
    uint8_t before = game.menu;
    game.menu = menu;
    uint8_t choice = choose(labels, count, 0, (count << 1) + 2);
    game.menu = before;
    return choice;
}

uint8_t asked_yes(void) {
    return ask(ASKED, yes_no, 2) == 0;
}

void earn(uint8_t coins) {
    game.coins = game.coins + coins < MOST_COINS ? game.coins + coins : MOST_COINS;
}

void give(uint8_t item, uint8_t count) {
    while (count-- && game.items[item] < MOST_ITEMS) game.items[item]++;
}

uint8_t use_item(void) {
    uint8_t item = ask(ITEMS_MENU, goods, ITEMS + 1);
    if (item >= ITEMS) return 0;
    if (!game.items[item]) {
        say(TEXT_NONE_LEFT);
        return 0;
    }
    game.items[item]--;
    text_number = item == HONEY ? HONEY_HP : game.full_hp;
    if (text_number > game.full_hp - game.hp) text_number = game.full_hp - game.hp;
    game.hp += text_number;
    say(item == HONEY ? TEXT_HONEY : TEXT_TEA);
    return 1;
}

void look_into_pack(void) {
    text_number = game.items[HONEY];
    say(TEXT_PACK_HONEY);
    text_number = game.items[TEA];
    say(TEXT_PACK_TEA);
    text_number = game.coins;
    say(TEXT_PACK_COINS);
    if (game.flags & HAS_OIL) say(TEXT_PACK_OIL);
}

void shop(void) {
    say(TEXT_SHOP);
    for (;;) {
        uint8_t item = ask(SHOP_MENU, goods, ITEMS + 1);
        if (item >= ITEMS) break;
        if (game.coins < prices[item]) {
            text_number = game.coins;
            say(TEXT_TOO_DEAR);
        } else if (game.items[item] == MOST_ITEMS) {
            say(TEXT_PACK_FULL);
        } else {
            game.coins -= prices[item];
            give(item, 1);
            text_number = game.coins;
            say(TEXT_SOLD);
        }
    }
    say(TEXT_SHOP_BYE);
}
