// The editor's keys. They are silent while something is typed or asked.
import { useEffect } from "react";

import { current, select } from "../store/topology";
import { openConsole, setView, useView } from "../store/view";
import { consoleWhyNot, copySelection, pasteClipboard, removeSelected, renameSelected, run, step } from "./actions";
import { useFit } from "./fit";

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.closest) return false;
  return element.closest("input, textarea, select, [contenteditable=true], .xterm, [role=dialog], [role=menu], [role=listbox]") !== null;
}

function only(): string | null {
  const { selection, elements } = current();
  const id = selection.size === 1 ? [...selection][0]! : null;
  return id && elements.has(id) ? id : null;
}

function withControl(key: string, shift: boolean, editable: boolean): boolean {
  if (key === "c") copySelection();
  else if (key === "a") select(current().elements.keys());
  else if (!editable) return false;
  else if (key === "z") step(!shift);
  else if (key === "y") step(false);
  else if (key === "v") run(pasteClipboard);
  else if (key === "x") {
    copySelection();
    removeSelected([...current().selection]);
  } else if (key === "d") {
    copySelection();
    run(pasteClipboard);
  } else return false;
  return true;
}

export function useKeys(editable: boolean): void {
  const { fit } = useFit();
  useEffect(() => {
    const plain = (event: KeyboardEvent): boolean => {
      const one = only();
      switch (event.key) {
        case "Delete":
        case "Backspace":
          if (editable) removeSelected([...current().selection]);
          return editable;
        case "Escape":
          select([]);
          setView({ joining: false, legend: false });
          return true;
        case "f":
        case "F":
          fit();
          return true;
        case "F2":
          if (editable) renameSelected();
          return editable;
        case "/":
          setView({ dialog: { type: "search" } });
          return true;
        case "?":
          setView({ dialog: { type: "keys" } });
          return true;
        case "l":
        case "L":
          if (editable) setView({ joining: !useView.getState().joining });
          return true;
        case "c":
        case "C":
          if (one && editable) setView({ dialog: { type: "connect", from: one } });
          return one !== null;
        case "Enter":
          // Enter on another control belongs to it; on a chosen element it opens the console.
          if (!one || !(event.target as HTMLElement).closest(".react-flow__node.selected")) return false;
          if (consoleWhyNot(one) === null) openConsole(one);
          return true;
        default:
          return false;
      }
    };
    const listener = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isTyping(event.target) || event.altKey) return;
      const control = event.ctrlKey || event.metaKey;
      const handled = control ? withControl(event.key.toLowerCase(), event.shiftKey, editable) : plain(event);
      if (handled) event.preventDefault();
    };
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, [editable, fit]);
}
