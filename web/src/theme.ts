// Colours and shapes. Text on colours keeps the contrast of WCAG 2.2 AA.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const tomato: MantineColorsTuple = [
  "#fff0ed", "#fbddd7", "#f3b8ad", "#eb9080", "#e56e59", "#e05941", "#d84a31", "#b93520", "#a32d1a", "#8a2413",
];
const leaf: MantineColorsTuple = [
  "#e9f9ee", "#d6efde", "#afdebe", "#84cc9b", "#60bc7d", "#49b36a", "#3cae5f", "#23803f", "#1d7037", "#125f2b",
];

export const theme = createTheme({
  primaryColor: "tomato",
  primaryShade: { light: 7, dark: 7 },
  colors: { tomato, leaf },
  defaultRadius: "md",
  fontFamily: "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, monospace",
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  focusRing: "auto",
  components: {
    Tooltip: { defaultProps: { openDelay: 350, withArrow: true, fz: "xs" } },
    CloseButton: { defaultProps: { "aria-label": "Close" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45, blur: 2 } } },
  },
});

/** Dimmed text and placeholders dark enough to read. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#5c6570",
    "--mantine-color-placeholder": "#6b7480",
    "--mantine-color-error": "#b4232a",
    "--mantine-color-anchor": "#a32d1a",
    "--mantine-color-gray-text": "#4a525c",
  },
  dark: {
    "--mantine-color-dimmed": "#a9b2bd",
    "--mantine-color-placeholder": "#98a1ac",
    "--mantine-color-error": "#ff9a92",
    "--mantine-color-anchor": "#f3b8ad",
    "--mantine-color-gray-text": "#c9d1d9",
  },
});
