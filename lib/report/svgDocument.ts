import { escapeHtml } from '../text/html.js';

/**
 * As much of a document as Observable Plot needs to draw into: elements, attributes and text that become markup. A whole
 * DOM (linkedom) would more than double what plots add to the package.
 */
export class SvgDocument {
  readonly documentElement: SvgNode = new SvgNode(this, 'svg');

  createElementNS(_: string, name: string): SvgNode {
    return new SvgNode(this, name);
  }

  createElement(name: string): SvgNode {
    return new SvgNode(this, name);
  }

  createTextNode(text: string): SvgNode {
    const node = new SvgNode(this, '');
    node.text = String(text);
    return node;
  }
}

export class SvgNode {
  readonly namespaceURI = 'http://www.w3.org/2000/svg';
  readonly ownerDocument: SvgDocument;
  readonly #name: string;
  readonly #attributes = new Map<string, string>();
  readonly #children: SvgNode[] = [];
  readonly #style = new Map<string, string>();
  parentNode: SvgNode | null = null;
  /** Of a node without a name. */
  text = '';

  constructor(ownerDocument: SvgDocument, name: string) {
    this.ownerDocument = ownerDocument;
    this.#name = name;
  }

  readonly style = {
    setProperty: (name: string, value: unknown): void => void this.#style.set(name, String(value)),
  };

  get firstChild(): SvgNode | null {
    return this.#children[0] ?? null;
  }

  get childNodes(): readonly SvgNode[] {
    return this.#children;
  }

  get textContent(): string {
    return this.#name === '' ? this.text : this.#children.map((child) => child.textContent).join('');
  }

  set textContent(text: string) {
    this.#children.length = 0;
    this.append(text);
  }

  getAttribute(name: string): string | null {
    return this.#attributes.get(name) ?? null;
  }

  hasAttribute(name: string): boolean {
    return this.#attributes.has(name);
  }

  setAttribute(name: string, value: unknown): void {
    this.#attributes.set(name, String(value));
  }

  setAttributeNS(_: string, name: string, value: unknown): void {
    this.setAttribute(name, value);
  }

  removeAttribute(name: string): void {
    this.#attributes.delete(name);
  }

  append(...children: readonly (SvgNode | string)[]): void {
    for (const child of children) {
      this.insertBefore(typeof child === 'string' ? this.ownerDocument.createTextNode(child) : child, null);
    }
  }

  appendChild(child: SvgNode): SvgNode {
    return this.insertBefore(child, null);
  }

  insertBefore(child: SvgNode, before: SvgNode | null): SvgNode {
    child.remove();
    const at = before === null ? -1 : this.#children.indexOf(before);
    this.#children.splice(at < 0 ? this.#children.length : at, 0, child);
    child.parentNode = this;
    return child;
  }

  remove(): void {
    const siblings = this.parentNode?.childNodes as SvgNode[] | undefined;
    const at = siblings?.indexOf(this) ?? -1;
    if (at >= 0) siblings!.splice(at, 1);
    this.parentNode = null;
  }

  get markup(): string {
    if (this.#name === '') return escapeHtml(this.text);
    const style = [...this.#style].map(([name, value]) => `${name}:${value}`).join(';');
    const attributes = [...this.#attributes, ...(style === '' ? [] : [['style', style] as const])]
      .map(([name, value]) => ` ${name}="${escapeHtml(value)}"`)
      .join('');
    return `<${this.#name}${attributes}>${this.#children.map((child) => child.markup).join('')}</${this.#name}>`;
  }
}
