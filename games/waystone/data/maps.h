/* Which maps there are. */
#ifndef MAPS_H
#define MAPS_H

#include "map.h"

enum map_id {
    MAP_BEDROOM,
    MAP_HOUSE,
    MAP_TOWN,
    MAP_ELDER,
    MAP_BAKER,
    MAP_PAINTER,
    MAP_ROUTE,
    MAP_VALLEY,
    MAP_CAVE,
    MAP_DEPTHS,
    MAP_SHRINE,
    MAP_COUNT
};

#endif
