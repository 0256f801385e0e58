/**
 * What is known of our containers: summaries from one list, details from inspects, both kept right by being told which
 * container something happened to. Used by cached.ts only.
 *
 * Order is what it is about. Answers are snapshots of some moment while the call was under way, and events come in
 * between. So each happening gets the next number of one count; an answer is kept for a container only when nothing
 * happened to that container since the question was put.
 */
import type { ContainerDetails, ContainerSummary } from './index.ts';
import { isOurs } from './ownership.ts';

interface ContainerSource {
  containers(): Promise<ContainerSummary[]>;
  container(idOrName: string): Promise<ContainerDetails | undefined>;
}

const FULL_ID = /^[0-9a-f]{64}$/;
/** Up to so many changed containers are looked at one by one; for more, one list is cheaper. */
const FEW = 4;

export class ContainerCache {
  readonly #source: ContainerSource;
  /** Called with the ids of containers that a list shows otherwise than events had said. */
  readonly #onSurprise: (id: string) => void;
  readonly #summaries = new Map<string, ContainerSummary>();
  readonly #details = new Map<string, ContainerDetails>();
  /** Changed since it was looked at. */
  readonly #dirty = new Set<string>();
  readonly #happenedAt = new Map<string, number>();
  /** After which happening the summary that is kept was asked for. */
  readonly #knownSince = new Map<string, number>();
  /** Destroyed, while an older answer that still has them may be under way. */
  readonly #gone = new Set<string>();
  #count = 0;
  #listed = false;
  /** Lists that were asked for in an earlier generation, inspects in an earlier epoch, are not kept. */
  #generation = 0;
  #epoch = 0;
  /** The list or the looks that are under way, and the happening after which they began. */
  #round: { since: number; done: Promise<void> } | undefined;
  readonly #inspects = new Map<string, { since: number; answer: Promise<ContainerDetails | undefined> }>();

  /** Those that were overtaken by a newer one for the same container are counted, too. */
  #inspectsUnderWay = 0;

  constructor(source: ContainerSource, onSurprise: (id: string) => void) {
    this.#source = source;
    this.#onSurprise = onSurprise;
  }

  /** Something happened to this container, or is about to. */
  touch(id: string): void {
    this.#count += 1;
    this.#happenedAt.set(id, this.#count);
    this.#details.delete(id);
    this.#dirty.add(id);
  }

  /** It is gone. Ids are never used again, so no look is needed. */
  forget(id: string): void {
    this.touch(id);
    this.#gone.add(id);
    this.#dirty.delete(id);
    this.#summaries.delete(id);
    this.#knownSince.delete(id);
  }

  /** Nothing that is known holds any more. */
  clear(): void {
    this.#epoch += 1;
    this.relist();
    this.#summaries.clear();
    this.#details.clear();
    this.#dirty.clear();
    this.#happenedAt.clear();
    this.#knownSince.clear();
    this.#gone.clear();
    this.#inspects.clear();
  }

  /** The next read lists anew; details that the list agrees with stay. */
  relist(): void {
    this.#count += 1;
    this.#generation += 1;
    this.#listed = false;
    this.#round = undefined;
  }

  known(id: string): ContainerSummary | undefined {
    return this.#summaries.get(id);
  }

  /** Whether what happens to this container matters to what is known, or may soon. */
  tracks(id: string): boolean {
    return !this.#listed || this.#summaries.has(id) || this.#dirty.has(id) || this.#inspects.has(id);
  }

  /** These very details, with nothing heard of the container since; without them, any details. */
  holds(id: string, details?: ContainerDetails): boolean {
    const kept = this.#details.get(id);
    return kept !== undefined && (details === undefined || kept === details);
  }

  /** The id that a name or an id stands for, where that is known for sure. */
  resolve(idOrName: string): string | undefined {
    if (FULL_ID.test(idOrName)) return idOrName;
    for (const { id, name } of this.#summaries.values()) {
      // A name is only sure while nothing happened to whom it belongs.
      if (name === idOrName && this.#listed && !this.#dirty.has(id)) return id;
    }
    return undefined;
  }

  async list(): Promise<ContainerSummary[]> {
    const asked = this.#count;
    // A round that began before something happened may be followed by one more; never by a third.
    while (!this.#listed || this.#dirty.size > 0) {
      const round = this.#round ?? this.#begin();
      await round.done;
      if (this.#listed && round.since >= asked) break;
    }
    return [...this.#summaries.values()];
  }

  async get(idOrName: string): Promise<ContainerDetails | undefined> {
    const id = this.resolve(idOrName);
    const kept = id === undefined ? undefined : this.#details.get(id);
    return kept ?? (await this.#inspect(id ?? idOrName));
  }

  #begin(): { since: number; done: Promise<void> } {
    const few = this.#listed && this.#dirty.size <= FEW;
    const round = { since: this.#count, done: few ? this.#lookAtDirty() : this.#listAll() };
    this.#round = round;
    const over = () => {
      if (this.#round === round) this.#round = undefined;
    };
    round.done.then(over, over);
    return round;
  }

  async #lookAtDirty(): Promise<void> {
    await Promise.all([...this.#dirty].map((id) => this.#inspect(id)));
  }

  async #listAll(): Promise<void> {
    const since = this.#count;
    const generation = this.#generation;
    const found = await this.#source.containers();
    if (generation !== this.#generation) return;
    const ids = new Set(found.map(({ id }) => id));
    const untouched = (id: string) => (this.#happenedAt.get(id) ?? 0) <= since;
    for (const summary of found) {
      if (untouched(summary.id)) this.#keepListed(summary, since);
      else this.#keepForNow(summary, since);
    }
    for (const id of [...this.#summaries.keys(), ...this.#details.keys()]) {
      if (ids.has(id) || !untouched(id)) continue;
      this.#summaries.delete(id);
      this.#knownSince.delete(id);
      this.#details.delete(id);
    }
    for (const id of [...this.#dirty]) if (untouched(id)) this.#dirty.delete(id);
    // An inspect under way may be older than what happened; then the numbers are still needed.
    if (this.#inspectsUnderWay === 0) {
      for (const [id, at] of [...this.#happenedAt]) {
        if (at > since) continue;
        this.#happenedAt.delete(id);
        this.#gone.delete(id);
      }
    }
    this.#listed = true;
  }

  /** Details stay only while the list says the same as they do: otherwise an event was missed. */
  #keepListed(summary: ContainerSummary, since: number): void {
    const details = this.#details.get(summary.id);
    const before = details ?? this.#summaries.get(summary.id);
    if (before && outline(before) !== outline(summary)) {
      this.#details.delete(summary.id);
      this.#onSurprise(summary.id);
    }
    this.#knownSince.set(summary.id, since);
    this.#summaries.set(summary.id, summary);
  }

  #inspect(idOrName: string): Promise<ContainerDetails | undefined> {
    // What a name stands for may change with anything that happens.
    const happened = FULL_ID.test(idOrName) ? (this.#happenedAt.get(idOrName) ?? 0) : this.#count;
    const under = this.#inspects.get(idOrName);
    if (under && under.since >= happened) return under.answer;
    const since = this.#count;
    const epoch = this.#epoch;
    const answer = this.#source.container(idOrName).then((found) => {
      if (epoch === this.#epoch) this.#keepInspected(found?.id ?? idOrName, found, since);
      return found;
    });
    const mine = { since, answer };
    this.#inspects.set(idOrName, mine);
    this.#inspectsUnderWay += 1;
    const over = () => {
      this.#inspectsUnderWay -= 1;
      if (this.#inspects.get(idOrName) === mine) this.#inspects.delete(idOrName);
    };
    answer.then(over, over);
    return answer;
  }

  #keepInspected(id: string, found: ContainerDetails | undefined, since: number): void {
    if ((this.#happenedAt.get(id) ?? 0) > since) {
      if (found && isOurs(found.labels)) this.#keepForNow(this.#summaryOf(found), since);
      return;
    }
    this.#dirty.delete(id);
    if (!found) {
      this.#summaries.delete(id);
      this.#knownSince.delete(id);
      this.#details.delete(id);
      return;
    }
    // Nobody tells of what happens to containers that are not ours, so nothing of them is kept.
    if (!isOurs(found.labels)) return;
    this.#details.set(id, found);
    // Also while a list is under way: that may be the older of the two.
    this.#knownSince.set(id, since);
    this.#summaries.set(id, this.#summaryOf(found));
  }

  /** Labels never change: whose a container is stays what was seen first. */
  #summaryOf(details: ContainerDetails): ContainerSummary {
    const { id, name, image, imageId, state, addresses, createdAt } = details;
    const labels = this.#summaries.get(id)?.labels ?? details.labels;
    return { id, name, image, imageId, state, labels, addresses, createdAt };
  }

  /**
   * Something happened to it meanwhile, so it will be looked at again. But whoever asked before that is owed at least this much: what
   * a write of ours did before the question is in the answer.
   */
  #keepForNow(summary: ContainerSummary, since: number): void {
    if (this.#gone.has(summary.id) || (this.#knownSince.get(summary.id) ?? -1) > since) return;
    this.#knownSince.set(summary.id, since);
    this.#summaries.set(summary.id, summary);
    this.#dirty.add(summary.id);
  }
}

/** What an event would have told of. */
function outline({ name, state, addresses }: ContainerSummary): string {
  return JSON.stringify([name, state, Object.entries(addresses).sort()]);
}
