// Why something cannot be changed now.
import type { AttributeInfo, Element } from "../model/types";

/** Why an attribute of an element, or of its interfaces, cannot be changed now, or null. */
export function lockedWhy(info: AttributeInfo, element: Element, editable: boolean): string | null {
  if (!editable) return "you may only look";
  if (info.writable.includes(element.state) && info.writable.includes(element.wanted)) return null;
  return info.writable.includes("prepared") ? "stop it to change this" : "destroy it to change this";
}
