# How a game is built from its own src and data and from what it takes of the engine's. A game's Makefile
# names the GAME, its CODE and DATA in the order of linking, and more FLAGS where it needs them:
# FLAGS_<file> for one source, LINK_FLAGS, ROM_FLAGS.
ROM = $(GAME).gb
BUILD = build
ENGINE = ../engine
OBJECTS = $(addprefix $(BUILD)/,$(addsuffix .rel,crt0 $(CODE) $(DATA)))
FOLDERS = src data $(ENGINE)/src $(ENGINE)/data
CFLAGS = -msm83 --std-c11 --opt-code-size --max-allocs-per-node 3000 $(addprefix -I,$(FOLDERS))
# Code after the header, variables after the documented RAM block, the map and the sprites.
LDFLAGS = -msm83 --no-std-crt0 --code-loc 0x0200 --data-loc 0xC600 $(LINK_FLAGS)

all: $(ROM)

vpath %.c $(FOLDERS)

$(BUILD)/%.rel: %.c $(wildcard $(addsuffix /*.h,$(FOLDERS))) Makefile $(ENGINE)/game.mk
	@mkdir -p $(BUILD)
	sdcc $(CFLAGS) $(FLAGS_$*) -c $< -o $@

$(BUILD)/crt0.rel: $(ENGINE)/src/crt0.s
	@mkdir -p $(BUILD)
	sdasgb -o $@ $<

$(ROM): $(OBJECTS)
	sdcc $(LDFLAGS) $(OBJECTS) -o $(BUILD)/$(GAME).ihx
	makebin -Z $(ROM_FLAGS) -yn $(shell echo $(GAME) | tr a-z A-Z) $(BUILD)/$(GAME).ihx $@

check:
	@scratch=$$(mktemp -d) && \
	$(MAKE) -j4 --no-print-directory BUILD=$$scratch ROM=$$scratch/$(GAME).gb >/dev/null && \
	cmp $$scratch/$(GAME).gb $(GAME).gb && echo "$(GAME).gb: rebuilt, identical"; \
	status=$$?; rm -rf $$scratch; exit $$status

clean:
	rm -rf $(BUILD)

.PHONY: all check clean
