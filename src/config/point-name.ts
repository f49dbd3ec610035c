export const POINT = /^[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*$/;
/** How a point is written; the loader, which knows the devices, says more. */
export const POINT_WORDS = 'write device.point, for example fridge.temperature';
