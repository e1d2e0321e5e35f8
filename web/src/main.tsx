// The page's beginning. The nonce must come first: libraries make style elements when they are loaded.
import "./nonce";

import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@xyflow/react/dist/base.css";
import "./styles/base.css";
import "./styles/editor.css";

import { createRoot } from "react-dom/client";

import { App } from "./app";

createRoot(document.getElementById("root")!).render(<App />);
