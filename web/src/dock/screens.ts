// What the open terminals show, by element: tours wait for it.

/** Reads the text of a terminal. */
export const screens = new Map<string, () => string>();
