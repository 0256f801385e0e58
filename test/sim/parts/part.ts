/**
 * What a kind brings to the simulation, in one file beside this one: what people and the world do to it, what holds of it at every
 * moment, and how it should be when all is quiet. parts/index.ts lists them; `npm run check` asks for one of each kind.
 */
import type { Random } from '../../support/random.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';

export interface Disturbance {
  /** A few words; unique. A history names it by them. */
  name: string;
  /** How often, compared with the others. */
  weight: number;
  /**
   * Whether all must be well again within CALM_SECONDS, without a crash, a fault or a resync: a change that is announced, by a write or
   * by an event of the world. Default true.
   */
  announced?: boolean;
  /** Every history that has its kind does it often. */
  essential?: true;
  /** Takes all its chance from `random`, and makes the best of whatever it finds: what came before may have been left out. */
  act(sim: Simulation, random: Random): void;
}

export interface Part {
  kind: string;
  /** Only histories that have chosen it know of this kind; its name is shared by kinds that belong together. Default: all do. */
  theme?: string;
  disturbances: readonly Disturbance[];
  /** Disturbances with which most histories of the theme begin: without them little of it would come to be. */
  opening?: readonly string[];
  invariants?: readonly Invariant[];
  /** Takes away what stands in the way for good: after that everything must become well by itself. */
  lift?(sim: Simulation): void;
  /** What is not as the documents deserve, a sentence each. Asked when all should be quiet. */
  problems?(sim: Simulation): string[];
  /** Takes away what would make documents anew when people have deleted them. */
  empty?(sim: Simulation): void;
  /** What is left when every document of people was deleted. */
  leftovers?(sim: Simulation): string[];
}
