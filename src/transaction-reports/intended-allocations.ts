import type { OrderLife } from '../reports/whole-lives.js';
import { BEGIN, contentsOf, isCopy, isExecution, isOver } from './order-past.js';

/**
 * What came of allocations that were stated before anything was executed: `allocated`, others were stated for what was executed;
 * `executed`, none were; `over`, the order ended without an execution; `open`, nothing of this, yet.
 */
export type Intention = 'allocated' | 'executed' | 'over' | 'open';

/** What an event of an order does, as its content that holds has it. */
export interface OrderStep {
  sequence: bigint;
  begins: boolean;
  executes: boolean;
  allocates: boolean;
  ends: boolean;
}

/** The events of an order but copies and what never happened, each as its last correction has it. Throws DamagedRowError. */
export async function stepsOf(life: OrderLife): Promise<readonly OrderStep[]> {
  const steps: OrderStep[] = [];
  for await (const event of life.events()) {
    if (event.kind === 'correction') continue;
    const held = contentsOf(event.versions).at(-1)!;
    if (!held.stated || isCopy(held)) continue;
    steps.push({
      sequence: BigInt(event.row.sequence),
      begins: held.stated.content.action === BEGIN,
      executes: isExecution(held),
      allocates: held.stated.facts.has('allocations'),
      ends: isOver(held.stated.content),
    });
  }
  return steps;
}

/**
 * What came, until another order has the id, of the allocations of the event with this sequence; undefined where something was
 * executed before them.
 */
export function intentionAt(steps: readonly OrderStep[], sequence: bigint): Intention | undefined {
  let [isBegun, isExecuted, isEnded] = [false, false, false];
  for (const step of steps) {
    // the id of an order that is over is used again
    if (step.begins && isBegun && isEnded) {
      if (step.sequence > sequence) break;
      [isExecuted, isEnded] = [false, false];
    }
    if (step.sequence === sequence && isExecuted) return undefined;
    isBegun ||= step.begins;
    isEnded ||= step.ends;
    if (step.sequence > sequence && step.allocates && (step.executes || isExecuted)) return 'allocated';
    isExecuted ||= step.executes;
  }
  if (isExecuted) return 'executed';
  return isEnded ? 'over' : 'open';
}
