/** Every bound of what flows may give. Times in milliseconds. */

/** Points of one device that flows may bring by their names. */
export const MOST_ACCEPTED = 200;
/** Readings a second, as far as a device may be configured. */
export const MOST_OF_POINT = 100;
export const MOST_OF_DEVICE = 1000;
/** The same of all devices together. */
export const ALL_AT_ONCE = 2000;
export const ALL_PER_SECOND = 2000;
/** Between two looks at readings that wait for their turn. */
export const LOOK_EVERY = 50;
/** Characters of a text. */
export const LONGEST_UNIT = 32;
