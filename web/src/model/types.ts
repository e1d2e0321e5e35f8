// The words of the interface, as the generated description has them.
import type { components } from "../api/schema";

type Schemas = components["schemas"];

export type Topology = Schemas["Topology"];
export type Element = Schemas["Element"];
export type Interface = Schemas["Interface"];
export type Connection = Schemas["Connection"];
export type LinkParams = Schemas["LinkParams"];
export type LinkPatch = Schemas["LinkPatch"];
export type Recording = Schemas["Recording"];
export type RecordingPatch = Schemas["RecordingPatch"];
export type CapturePoint = Schemas["CapturePoint"];
export type DirectionCounters = Schemas["DirectionCounters"];
export type Graph = Schemas["Graph"];
export type Job = Schemas["Job"];
export type State = Schemas["State"];
export type Role = Schemas["Role"];
export type Profile = Schemas["Profile"];
export type TemplateInfo = Schemas["TemplateInfo"];
export type Account = Schemas["Account"];
export type Token = Schemas["Token"];
export type FlagInfo = Schemas["FlagInfo"];
export type Organization = Schemas["Organization"];
export type Settings = Schemas["Settings"];
export type AuditEntry = Schemas["AuditEntry"];
export type NotTaken = Schemas["NotTaken"];
export type Notification = Schemas["Notification"];
export type Direction = "forward" | "backward";
export type Action = "prepare" | "start" | "stop" | "destroy";

export type ValueType = "text" | "integer" | "boolean" | "address_list" | "route_list" | "file_map" | "network_list" | "vlan" | "spanning_tree";

/** An attribute in the kind table. */
export interface AttributeInfo {
  name: string;
  doc: string;
  type: ValueType;
  unit: string | null;
  min: number | null;
  max: number | null;
  default: unknown;
  writable: State[];
}

/** A kind of elements, as the kind table tells it. */
export interface KindInfo {
  kind: string;
  doc: string;
  device: boolean;
  attributes: AttributeInfo[];
  /** What its interfaces have. */
  interface_attributes: AttributeInfo[];
  actions: { action: Action; states: State[] }[];
  children: string[];
}

/** Something changed, as the event stream tells it. */
export interface ChangeEvent {
  seq: number;
  at: number;
  topology: string;
  object: "topology" | "element" | "connection" | "job";
  change: "create" | "modify" | "remove";
  id: string;
  value: unknown;
}
