/** The parts of Node-RED's editor and of jQuery that the palette uses. They are the same in Node-RED 4 and 5. */

/** An element. The types of the browser are not those of the rest of the gateway. */
export interface Page {
  getAttribute(name: string): string | null;
  addEventListener(type: 'keydown', act: (event: { readonly key: string; readonly target: Page }) => void, first: boolean): void;
}
export interface Suggestion {
  readonly value: string;
  readonly label: string | JQ;
}
export type Search = (typed: string) => Suggestion[];

export interface JQ {
  readonly length: number;
  val(): unknown;
  val(value: string): JQ;
  text(value: string): JQ;
  attr(name: string, value: string): JQ;
  css(name: string, value: string): JQ;
  prop(name: string): unknown;
  prop(name: string, value: boolean): JQ;
  find(selector: string): JQ;
  closest(selector: string): JQ;
  each(act: (index: number, element: Page) => void): JQ;
  on(event: string, act: () => void): JQ;
  on(event: string, selector: string, act: (event: { readonly target: Page }) => void): JQ;
  trigger(event: string): JQ;
  toggle(shown: boolean): JQ;
  appendTo(target: JQ): JQ;
  data(name: string, value: unknown): JQ;
  data(name: string): unknown;
  height(): number;
  outerHeight(margin: boolean): number;
  typedInput(options: object): JQ;
  typedInput(method: 'type'): string;
  autoComplete(options: { search: Search; minLength: number }): JQ;
  /** `menu` is there while the list is open. */
  autoComplete(method: 'instance'): { readonly menu?: { hide(): void } } | undefined;
  editableList(options: object): JQ;
  editableList(method: 'items'): JQ;
  editableList(method: 'addItem', item: object): JQ;
  editableList(method: 'height', height: number): JQ;
}

export interface EditedNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  [key: string]: unknown;
  _(key: string, values?: object): string;
}

interface JQuery {
  (selector: string | Page): JQ;
  getJSON(url: string, data: object): { done(act: (answer: unknown) => void): { fail(act: () => void): void } };
}

declare global {
  const $: JQuery;
  const RED: {
    readonly nodes: { registerType(type: string, definition: object): void };
    readonly validators: { typedInput(field: string): (this: EditedNode, value: unknown, options: unknown) => unknown };
  };
}
