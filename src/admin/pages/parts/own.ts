/** `Object.hasOwn`, which browsers of 2020 do not have. */
export const hasOwn = (object: object, key: string): boolean => Object.getOwnPropertyDescriptor(object, key) !== undefined;
