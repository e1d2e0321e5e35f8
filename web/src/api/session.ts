// Who is logged in. The session is a cookie that scripts cannot read.
import { create } from "zustand";

import type { Account } from "../model/types";

interface Session {
  /** Whether the page was opened by a link for looking on: it can see one topology and change nothing. */
  isLooking: boolean;
  /** Undefined until the server was asked, null when nobody is logged in. */
  account: Account | null | undefined;
  /** Why the login failed last. */
  error: string | null;
}

/** What stands in front of a link's token. */
const LINK = "view=";
/** The token of the link that the page was opened by. */
const secret = linkSecret(globalThis.location?.hash ?? "");

function linkSecret(hash: string): string | null {
  return hash.startsWith(`#${LINK}`) ? hash.slice(LINK.length + 1) : null;
}

export const useSession = create<Session>(() => ({ isLooking: secret !== null, account: undefined, error: null }));

/** The address by which somebody looks at a topology with a token. Fragments are not sent to servers. */
export const viewLink = (topology: string, token: string): string => `${window.location.origin}/topologies/${topology}#${LINK}${token}`;

/** What each call carries: a link's token goes instead of the session. */
export function credentials(): RequestInit {
  return secret === null ? {} : { credentials: "omit", headers: { Authorization: `Bearer ${secret}` } };
}

/** Says that there may be a session; without it the server need not be asked. */
const HINT = "tomato-session";

/** The server no longer knows us. */
export function loggedOut(): void {
  if (secret === null) localStorage.removeItem(HINT);
  const error = secret === null ? null : "This link does not work any more. Ask for another one, or log in.";
  useSession.setState({ account: null, error });
}

/** Asks the server who we are. */
export async function whoAmI(): Promise<void> {
  if (secret === null && localStorage.getItem(HINT) === null) {
    useSession.setState({ account: null });
    return;
  }
  try {
    const response = await fetch("/api/v1/account", credentials());
    if (response.ok) useSession.setState({ account: (await response.json()) as Account, error: null });
    else loggedOut();
  } catch {
    useSession.setState({ account: null, error: "The server cannot be reached." });
  }
}

/** Logs in; false with a reason in the store. */
export async function login(account: string, password: string): Promise<boolean> {
  const body = JSON.stringify({ account, password });
  let response: Response;
  try {
    response = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
  } catch {
    useSession.setState({ error: "The server cannot be reached." });
    return false;
  }
  if (response.ok) {
    localStorage.setItem(HINT, "1");
    // The session counts from now on, not the link.
    if (secret !== null) window.location.replace(window.location.pathname);
    await whoAmI();
    return true;
  }
  const problem = (await response.json().catch(() => null)) as { detail?: string } | null;
  const reason =
    response.status === 429
      ? "Too many attempts: wait a minute and try again."
      : response.status === 401
        ? "Name or password is wrong."
        : (problem?.detail ?? `The server answered ${response.status}.`);
  useSession.setState({ error: reason, account: null });
  return false;
}

/** Ends the session. */
export async function logout(): Promise<void> {
  await fetch("/api/v1/session", { method: "DELETE" }).catch(() => null);
  loggedOut();
}
