// Seeds have 64 bits, numbers of a page are exact up to 53: larger seeds are text here and numbers for the server.

const LARGE = /"seed":\s*(\d{16,20})(?=\s*[,}])/g;

/** JSON of the server with large seeds as text. */
export const exactSeeds = (json: string): string => json.replace(LARGE, '"seed":"$1"');

/** JSON for the server of a patch whose seed may be text. */
export function patchText(patch: unknown): string {
  const { seed, ...rest } = patch as Record<string, unknown>;
  if (typeof seed !== "string" || !/^\d{1,20}$/.test(seed)) return JSON.stringify(patch);
  const others = JSON.stringify(rest).slice(1);
  return `{"seed":${seed}${others === "}" ? "" : ","}${others}`;
}
