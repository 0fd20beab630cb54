#include "growth.h"

#include "state.h"
#include "texts.h"

#define FIRST_LEVEL 2
#define LAST_LEVEL 15

/* EMBER hits hard and not always, DEW mends, MOSS endures. */
static const struct companion_kind kinds[] = {
    {"EMBER", MOSS, {{"SPARK", STRIKE, 3, 0, 1}, {"GLARE", DAZE, 3, 224, 1},
                     {"FLARE", STRIKE, 8, 232, 4}, {"BLAZE", STRIKE, 14, 208, 7}}},
    {"DEW", EMBER, {{"DRIP", STRIKE, 3, 0, 1}, {"MEND", MEND, 6, 0, 1},
                    {"SPLASH", STRIKE, 6, 240, 4}, {"TORRENT", STRIKE, 9, 208, 7}}},
    {"MOSS", DEW, {{"LASH", STRIKE, 3, 0, 1}, {"SHIELD", SHIELD, 3, 0, 1},
                   {"THORN", STRIKE, 6, 240, 4}, {"DRAIN", DRAIN, 8, 224, 7}}},
};

label text_move;

label companion_word(char c) {
    switch (c) {
    case '$': return companion()->name;
    case '%': return text_move;
    default: return 0;
    }
}

const struct companion_kind *companion(void) {
    return &kinds[game.companion - 1];
}

uint8_t moves_known(void) {
    uint8_t count = 0;
    while (count < MOVES && companion()->moves[count].level <= game.level) count++;
    return count;
}

static uint8_t full_hp(void) {
    return 14 + 3 * game.level;
}

static uint8_t next_level_at(void) {
    return 8 + 4 * game.level;
}

void heal(void) {
    game.hp = game.full_hp;
}

void begin_companion(uint8_t which) {
    game.companion = which;
    game.level = FIRST_LEVEL;
    game.experience = 0;
    game.full_hp = full_hp();
    heal();
}

static void level_up(void) {
    uint8_t known = moves_known();
    game.experience -= next_level_at();
    game.level++;
    game.hp += full_hp() - game.full_hp;
    game.full_hp = full_hp();
    text_number = game.level;
    say(TEXT_LEVEL);
    if (moves_known() > known) {
        text_move = companion()->moves[known].name;
        say(TEXT_NEW_MOVE);
    }
}

void learn(uint8_t experience) {
    if (game.level == LAST_LEVEL) return;
    text_number = experience;
    say(TEXT_EXPERIENCE);
    game.experience += experience;
    while (game.level < LAST_LEVEL && game.experience >= next_level_at()) level_up();
}

void tell_of_spirit(void) {
    if (!game.companion) {
        say(TEXT_NO_SPIRIT);
        return;
    }
    text_number = game.level;
    say(TEXT_SPIRIT_LEVEL);
    text_number = game.hp;
    say(TEXT_SPIRIT_HP);
}
