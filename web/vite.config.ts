// Builds the browser's part into dist/, with names that change with the content.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { examples } from "./scripts/examples.ts";

const lab = process.env.TOMATO_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [examples(), react()],
  build: {
    outDir: process.env.TOMATO_WEB_OUT ?? "dist",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600,
  },
  worker: { format: "es" },
  // The page of `npm run dev` speaks to a running lab.
  server: { proxy: { "/api": { target: lab, ws: true } } },
  test: { include: ["test/unit/**/*.test.ts"] },
});
