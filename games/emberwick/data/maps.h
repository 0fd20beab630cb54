/* Which maps there are. */
#ifndef MAPS_H
#define MAPS_H

#include "map.h"

enum map_id {
    MAP_LOFT,
    MAP_HOME,
    MAP_TOWN,
    MAP_KEEPER,
    MAP_REST_A,
    MAP_SHOP_A,
    MAP_LOW_ROAD,
    MAP_SALTMERE,
    MAP_REST_B,
    MAP_SHOP_B,
    MAP_CHANDLER,
    MAP_HIGH_ROAD,
    MAP_FARHOLM,
    MAP_REST_C,
    MAP_SHOP_C,
    MAP_WOOD,
    MAP_CLIFF,
    MAP_REST_D,
    MAP_TOWER,
    MAP_STAIR,
    MAP_LAMP,
    MAP_COUNT
};

/* Where the story has reached a part of a map. */
#define LOW_ROAD_MIDDLE 22  /* x */
#define HIGH_ROAD_MIDDLE 22 /* y, and less */
#define WOOD_DEEP 16        /* y, and less */
#define WOOD_HEART 26       /* x, and more */

#endif
