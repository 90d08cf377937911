/* Good pictures that score far over the others, for somebody to look at: a contact sheet beside the model. */
#ifndef FM_APP_ODD_SHEET_H
#define FM_APP_ODD_SHEET_H

#include "task/calibrate.h"

/* As fm_calibration.odd wants it; user: the model's path, a const char *. MODEL.odd.png shows each picture,
 * its map and what was found; a note names it. An older one goes where no picture is odd. What fails here
 * costs the sheet only, with a warning. */
enum fm_status fm_odd_sheet(void *user, struct fm_device *d, const struct fm_model *model,
                            const struct fm_score_list *odd);

#endif
