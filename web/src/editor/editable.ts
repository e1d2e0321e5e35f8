// What the account may do with the open topology.
import { useSession } from "../api/session";
import type { Role } from "../model/types";
import { useTopology } from "../store/topology";

/** The account's role, null when it has none; administrators may do everything. */
export function useRole(): Role | null {
  const isLooking = useSession((session) => session.isLooking);
  const account = useSession((session) => session.account);
  const roles = useTopology((state) => state.topology?.roles);
  if (isLooking) return "user";
  if (account?.admin) return "owner";
  return roles?.[account?.name ?? ""] ?? null;
}

/** Whether the account may change the topology. */
export function useEditable(): boolean {
  const role = useRole();
  return role === "owner" || role === "manager";
}
