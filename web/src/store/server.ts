// What the server offers: kinds, templates, profiles, hosts. Asked once and kept fresh by react-query.
import { QueryClient, useQuery } from "@tanstack/react-query";

import { answer, api } from "../api/client";
import type { KindInfo, Profile, TemplateInfo } from "../model/types";

export const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, staleTime: 15_000, refetchOnWindowFocus: true } },
});

export const useKinds = () =>
  useQuery({
    queryKey: ["kinds"],
    queryFn: () => answer(api.GET("/api/v1/kinds")) as Promise<KindInfo[]>,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const useTemplates = () =>
  useQuery({ queryKey: ["templates"], queryFn: () => answer<TemplateInfo[]>(api.GET("/api/v1/templates")) });

export const useProfiles = () =>
  useQuery({ queryKey: ["profiles"], queryFn: () => answer<Profile[]>(api.GET("/api/v1/profiles")) });

export const useServer = () =>
  useQuery({ queryKey: ["server"], queryFn: () => answer(api.GET("/api/v1/server")), refetchInterval: 15_000 });

export const useTopologies = () =>
  useQuery({ queryKey: ["topologies"], queryFn: () => answer(api.GET("/api/v1/topologies")) });

export const useJobs = () =>
  useQuery({ queryKey: ["jobs"], queryFn: () => answer(api.GET("/api/v1/jobs")), refetchInterval: 2000 });

/** Whether elements of a kind run software; unknown kinds do. */
export function deviceTest(kinds: KindInfo[] | undefined): (kind: string) => boolean {
  const devices = new Map((kinds ?? []).map((info) => [info.kind, info.device]));
  return (kind) => devices.get(kind) ?? true;
}
