// Topologies from and to files.
import { answer, api, raw, Refusal } from "../api/client";
import type { NotTaken } from "../model/types";

/** Something wrong in a file. */
export interface Diagnostic {
  line?: number;
  column?: number;
  path?: string;
  message: string;
  remedy?: string;
}

/** Names tried for one topology. */
const NAMES_MAX = 50;

/** The name that is taken, if that is why a file was refused. */
function takenName(error: unknown): string | null {
  const { attribute, value } = ((error as Refusal).data ?? {}) as { attribute?: string; value?: string };
  return error instanceof Refusal && error.code === "already_exists" && attribute === "name" ? (value ?? "topology") : null;
}

/** What came of a file. */
export interface Imported {
  topology: string;
  /** What of a file of the original was not taken over as it stands. */
  notTaken: NotTaken[];
}

/** Makes a topology from a file and answers its id. */
export const importText = async (text: string, name?: string): Promise<string> => (await importFile(text, name)).topology;

/** Makes a topology by `make`; one whose name is taken gets a number. */
async function numbered<T>(name: string | undefined, make: (name: string | undefined) => Promise<T>): Promise<T> {
  let wanted = name;
  for (let tries = 2; ; tries += 1) {
    try {
      return await make(name);
    } catch (error) {
      const taken = takenName(error);
      if (taken === null) throw error;
      wanted ??= taken;
      if (tries > NAMES_MAX) throw new Error(`There are topologies named “${wanted}” to “${wanted} ${NAMES_MAX}” already. Remove or rename some.`, { cause: error });
      name = `${wanted.slice(0, 120)} ${tries}`;
    }
  }
}

/** Makes a topology from a file. One whose name is taken gets a number. */
export function importFile(text: string, name?: string): Promise<Imported> {
  return numbered(name, async (chosen) => {
    const response = await raw(`/api/v1/topologies/import${chosen === undefined ? "" : `?name=${encodeURIComponent(chosen)}`}`, {
      method: "POST",
      headers: { "Content-Type": "text/plain" },
      body: text,
    });
    const made = (await response.json()) as { topology: string; original?: { errors?: NotTaken[] } | null };
    return { topology: made.topology, notTaken: made.original?.errors ?? [] };
  });
}

/** What a refused file's error says about each place. */
export function diagnostics(error: unknown): Diagnostic[] {
  if (!(error instanceof Refusal)) return [];
  const data = error.data as { diagnostics?: Diagnostic[]; errors?: Diagnostic[] } | null | undefined;
  return data?.diagnostics ?? data?.errors ?? [];
}

/** The topology as a file. */
export async function exportText(id: string, format: "yaml" | "json"): Promise<string> {
  const response = await raw(`/api/v1/topologies/${id}/export?format=${format}`);
  return response.text();
}

/** Makes a second topology like this one and answers its id. */
export async function clone(id: string, name: string): Promise<string> {
  return importText(await exportText(id, "yaml"), name);
}

/** Makes an empty topology and answers its id. One whose name is taken gets a number. */
export async function createEmpty(name: string): Promise<string> {
  const made = await numbered(name || undefined, (chosen) => answer(api.POST("/api/v1/topologies", { body: chosen === undefined ? {} : { name: chosen } })));
  return made.id;
}

/** Hands the browser a file to save. */
export function save(content: Blob | string, name: string): void {
  const blob = typeof content === "string" ? new Blob([content], { type: "text/plain" }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 30_000);
}

/** A name that files can have everywhere. */
export const fileName = (name: string): string => name.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 80) || "topology";
