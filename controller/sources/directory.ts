/**
 * Keeps the store as a folder of manifests says: a file that appears is applied, changed is applied, removed is pruned. main.ts
 * starts one for /etc/holdfast/manifests.
 *
 * Events of the file system only say "look"; each look compares the whole folder with the inventory, so that nothing depends
 * on an event that was lost, doubled or came while the controller was down. Whatever is not certain (half-written files,
 * broken ones that may name a document, folders that are away) deletes nothing.
 */
import { identityText } from './folder.ts';
import { Inventory, type Looked } from './look.ts';
import { type DirectoryOptions, TIMES, type Times } from './options.ts';

export interface WatchedDirectory {
  /** Resolves when the folder was looked at after this call. With `full` everything is applied again. */
  sync(options?: { full?: boolean }): Promise<void>;
  /** Waits for work in flight. */
  close(): Promise<void>;
}

export function watchDirectory(options: DirectoryOptions): WatchedDirectory {
  const directory = new Directory(options);
  directory.start();
  return directory;
}

class Directory implements WatchedDirectory {
  readonly #options: DirectoryOptions;
  readonly #times: Times;
  readonly #inventory: Inventory;
  readonly #closing = new AbortController();
  readonly #timers = new Map<string, () => void>();
  /** Ends what follows its events; answers when it has. */
  #unfollow: () => Promise<void> = async () => undefined;
  /** Identity of the folder whose events are followed. */
  #watched: string | undefined;
  #unsubscribe: (() => void) | undefined;
  #wanted: { full: boolean } | undefined;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#inventory = new Inventory(options, this.#times, this.#closing.signal);
  }

  start(): void {
    this.#subscribe();
    this.#want(false);
    this.#every('full', this.#times.full, () => this.#want(true));
    this.#every('look', this.#times.look, () => void this.#compareFolder());
  }

  sync(options: { full?: boolean } = {}): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#want(options.full ?? false);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the directory is no longer watched'));
    this.#unsubscribe?.();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    // A look under way may still open a watcher.
    await this.#running;
    await this.#unfollow();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #want(full: boolean): void {
    if (this.#closing.signal.aborted) return;
    this.#wanted = { full: full || (this.#wanted?.full ?? false) };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // Asked for after the last look was over and before this turn.
      if (this.#wanted) this.#want(false);
    });
  }

  async #run(): Promise<void> {
    // Whoever asks in this turn is answered by the same look.
    await Promise.resolve();
    for (let wanted = this.#wanted; wanted && !this.#closing.signal.aborted; wanted = this.#wanted) {
      this.#wanted = undefined;
      const waiting = this.#waiting.splice(0);
      try {
        await this.#lookOnce(wanted.full);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#options.log.error('looking at a directory failed', {
          path: this.#options.folder.path,
          error,
        });
        this.#after('retry', this.#times.retry, () => this.#want(false));
      } finally {
        for (const resolve of waiting) resolve();
      }
    }
  }

  async #lookOnce(full: boolean): Promise<void> {
    const looked = await this.#inventory.look(full);
    await this.#followEvents(looked.identity);
    this.#lookAgain(looked);
  }

  #lookAgain({ moving, renewed, failed }: Looked): void {
    const again = () => this.#want(false);
    if (moving) this.#after('moving', this.#times.settle, again);
    if (renewed) this.#after('renewed', this.#times.renewed, again);
    if (failed) this.#after('retry', this.#times.retry, again);
  }

  #after(name: string, milliseconds: number, run: () => void): void {
    if (this.#timers.has(name) || this.#closing.signal.aborted) return;
    const cancel = this.#options.clock.after(milliseconds, () => {
      this.#timers.delete(name);
      run();
    });
    this.#timers.set(name, cancel);
  }

  #every(name: string, milliseconds: number, run: () => void): void {
    this.#after(name, milliseconds, () => {
      run();
      this.#every(name, milliseconds, run);
    });
  }

  /** Somebody deleted what a file asks for: it is applied again. */
  #subscribe(): void {
    const { store } = this.#options;
    this.#unsubscribe = store.watch({
      fromVersion: store.version,
      onChange: ({ type, document }) => {
        if (type === 'DELETED' && this.#inventory.owns(document)) this.#want(false);
      },
      onEnd: (reason) => {
        if (reason === 'closed' || this.#closing.signal.aborted) return;
        this.#subscribe();
        this.#want(false);
      },
    });
  }

  /** The file system does not say when a folder is mounted over or swapped by way of its parent. */
  async #compareFolder(): Promise<void> {
    const now = await this.#options.folder.identity();
    if ((now && identityText(now)) !== this.#watched) this.#want(false);
  }

  async #followEvents(identity: string | undefined): Promise<void> {
    if (identity === this.#watched || this.#closing.signal.aborted) return;
    await this.#unfollow();
    this.#watched = undefined;
    if (identity === undefined) return;
    const { folder, log } = this.#options;
    const ending = new AbortController();
    const warn = (error: unknown) =>
      log.warn('events of a directory are lost; it is still looked at from time to time', { error });
    const listener = { onEvent: () => this.#want(false), onError: warn };
    const following = folder.follow(listener, ending.signal).catch((error: unknown) => {
      if (ending.signal.aborted) return;
      warn(error);
      // Followed anew when it is compared next.
      this.#watched = undefined;
    });
    this.#unfollow = () => {
      ending.abort();
      return following;
    };
    this.#watched = identity;
  }
}
