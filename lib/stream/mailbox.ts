/**
 * A place for one item between a producer that does not wait and a consumer that takes its time: a newer item takes the
 * place of one that nobody has taken yet, which counts as dropped.
 */
export class Mailbox<T> {
  #item: { readonly value: T } | undefined;
  #end: { readonly error?: unknown } | undefined;
  #dropped = 0;
  #wake: (() => void) | undefined;

  /** Leaves `value`; returns the item it replaced, whose memory may serve again. */
  put(value: T): T | undefined {
    const replaced = this.#item;
    if (replaced !== undefined) this.#dropped++;
    this.#item = { value };
    this.#wake?.();
    return replaced?.value;
  }

  /** Nothing more will come; with `error` the consumer gets it after the last item. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake?.();
  }

  /** The item that is there, or the next one; undefined when the producer has ended. Throws the error it ended with. */
  async take(): Promise<T | undefined> {
    while (this.#item === undefined && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    const item = this.#item;
    this.#item = undefined;
    if (item !== undefined) return item.value;
    if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error;
    return undefined;
  }

  /** Items dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
