// The whole application: login, lists and the editor.
import { Center, Loader, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";

import { useSession, whoAmI } from "./api/session";
import { nonce } from "./nonce";
import { Login } from "./pages/login";
import { Topologies } from "./pages/topologies";
import { usePath } from "./route";
import { Shell } from "./shell/shell";
import { queries } from "./store/server";
import { theme, variables } from "./theme";

const Editor = lazy(() => import("./editor/editor"));
const Pages = lazy(() => import("./pages/pages"));

const waiting = (
  <Center h="60vh">
    <Loader role="status" aria-label="Loading" />
  </Center>
);

function Page() {
  const path = usePath();
  const topology = /^\/topologies\/([0-9a-f]{24})$/.exec(path)?.[1];
  if (topology) {
    return (
      <Suspense fallback={waiting}>
        <Editor id={topology} key={topology} />
      </Suspense>
    );
  }
  return (
    <Shell>
      {path === "/" || path === "/topologies" ? <Topologies /> : <Suspense fallback={waiting}><Pages path={path} /></Suspense>}
    </Shell>
  );
}

function Gate() {
  const account = useSession((session) => session.account);
  useEffect(() => {
    void whoAmI();
  }, []);
  useEffect(() => {
    if (account === null) queries.clear();
  }, [account]);
  if (account === undefined) return waiting;
  return account === null ? <Login /> : <Page />;
}

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-left" containerWidth={360} limit={4} />
        <Gate />
      </QueryClientProvider>
    </MantineProvider>
  );
}
