import { userInfo } from 'node:os';
import { isEventText, MAX_CODE_POINTS } from '../integrity/event.js';

const PREFIX = 'cli:';

/** The principal that a command is run by: the user of this machine; by number where it has no name (in a container), or one that no event can hold. */
export function operatorId(): string {
  const room = MAX_CODE_POINTS.user_id - PREFIX.length;
  try {
    const { username } = userInfo();
    if (isEventText(username, room)) return `${PREFIX}${username}`;
  } catch {
    // no entry for this user
  }
  return `${PREFIX}uid-${process.getuid?.() ?? 'unknown'}`;
}
