// Calls of the public interface; there is no private one.
import createClient from "openapi-fetch";

import { exactSeeds } from "./exact";
import { credentials, loggedOut } from "./session";
import type { paths } from "./schema";

/** The interface refused a call. The message names the field and the remedy. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly data: unknown,
  ) {
    super(message);
    this.name = "Refusal";
  }
}

export const api = createClient<paths>({ baseUrl: "/", fetch: (request) => globalThis.fetch(carrying(request)) });

function carrying(request: Request): Request {
  const { headers, ...rest } = credentials();
  const next = new Request(request, rest);
  for (const [name, value] of new Headers(headers)) next.headers.set(name, value);
  return next;
}

const TOPOLOGY = /^\/api\/v1\/topologies\/[0-9a-f]{24}/;

api.use({
  async onResponse({ request, response }) {
    if (response.status === 401) loggedOut();
    const { status, headers } = response;
    if (status !== 200 || !TOPOLOGY.test(new URL(request.url).pathname)) return undefined;
    return new Response(exactSeeds(await response.text()), { status, headers });
  },
});

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer of a call, or a {@link Refusal}. */
export async function answer<T>(call: Promise<Answered<T>>): Promise<T> {
  let result: Answered<T>;
  try {
    result = await call;
  } catch {
    throw new Refusal(0, "offline", "the server cannot be reached: check that it runs", null);
  }
  if (result.response.ok) return result.data as T;
  throw refusal(result.response.status, result.error);
}

/** An error from a problem document. */
export function refusal(status: number, body: unknown): Refusal {
  const problem = (typeof body === "string" ? parse(body) : body) as Record<string, unknown> | null;
  const detail = typeof problem?.detail === "string" ? problem.detail : `the server answered ${status}`;
  return new Refusal(status, typeof problem?.code === "string" ? problem.code : "unknown", detail, problem?.data);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A call whose body or answer is no JSON. */
export async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(carrying(new Request(path, init)));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "offline", "the server cannot be reached: check that it runs", null);
  }
  if (response.ok) return response;
  if (response.status === 401) loggedOut();
  throw refusal(response.status, await response.text());
}

/** The words of an error, for people. */
export function words(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
