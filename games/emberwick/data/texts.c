#include "texts.h"

#define X(name, text) const char TEXT_##name[] = text;
TEXTS(X)
#undef X
