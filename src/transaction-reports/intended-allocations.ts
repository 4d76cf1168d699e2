import type { StoredRow } from '../integrity/stored-event.js';
import type { OrderLife } from '../reports/whole-lives.js';
import { contentsOf, isBeforehand, isCopy, isExecution, isOver } from './held-content.js';
import { OrderPast } from './order-past.js';
import { ToldExecutions } from './told-executions.js';

/**
 * What came of allocations that were stated before anything was executed: `allocated`, others were stated for what was executed;
 * `executed`, of some of it none were; `over`, the order ended without an execution; `open`, nothing of this, yet.
 */
export type Intention = 'allocated' | 'executed' | 'over' | 'open';

/** What came of an order, as the contents of its events have it that hold; its id may be that of others before and after. */
interface OrderCourse {
  /** sequences: of its first event, of its first execution, and of its last end */
  from: bigint;
  executed: bigint | undefined;
  ended: bigint | undefined;
  /** whether executions are allocated, by themselves or later */
  isAllocated: boolean;
  /** whether there are executions since, which neither allocate themselves nor say for whom they are */
  isOpen: boolean;
}

/**
 * The courses of the orders that had an id, one after the other. Copies, and what never happened, are of no account. Throws
 * DamagedRowError.
 */
export async function coursesOf(life: OrderLife): Promise<readonly OrderCourse[]> {
  const courses: OrderCourse[] = [];
  const past = new OrderPast();
  const told = new ToldExecutions();
  for await (const event of life.events()) {
    if (event.kind === 'correction') continue;
    const sequence = BigInt(event.row.sequence);
    const all = contentsOf(event.versions);
    const isAnew = past.begin(all);
    if (isAnew) told.beginAnew();
    if (isAnew || courses.length === 0)
      courses.push({ from: sequence, executed: undefined, ended: undefined, isAllocated: false, isOpen: false });
    const contents = told.add(all, event.row);
    past.add(contents);
    const [course, held] = [courses.at(-1)!, contents.at(-1)!];
    if (!held.stated || isCopy(held)) continue;
    const { content, facts } = held.stated;
    const allocates = facts.has('allocations');
    if (isExecution(held)) {
      course.executed ??= sequence;
      course.isAllocated ||= allocates;
      const isForOne = facts.has('client_id') || facts.get('client_id_type')?.text === 'none';
      course.isOpen ||= !allocates && !isForOne;
    } else if (allocates && course.executed !== undefined && !isBeforehand(content)) {
      course.isAllocated = true;
      course.isOpen = false;
    }
    if (isOver(content)) course.ended = sequence;
  }
  return courses;
}

/** What came of the allocations of an event; undefined where it allocates what was executed of the order before it. */
export function intentionIn(
  courses: readonly OrderCourse[],
  { sequence: text, action }: Pick<StoredRow, 'sequence' | 'action'>,
): Intention | undefined {
  const sequence = BigInt(text);
  const { executed, ended, isAllocated, isOpen } = courseAt(courses, sequence);
  if (executed !== undefined && executed < sequence && !isBeforehand({ action })) return undefined;
  if (executed !== undefined) return isAllocated && !isOpen ? 'allocated' : 'executed';
  return ended !== undefined && ended > sequence ? 'over' : 'open';
}

/** Of many it is asked, where an id is used again each day. */
function courseAt(courses: readonly OrderCourse[], sequence: bigint): OrderCourse {
  let [low, high] = [1, courses.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (courses[middle]!.from <= sequence) low = middle + 1;
    else high = middle;
  }
  return courses[low - 1]!;
}
