export { goDuration, parseDuration } from '../base/duration.ts';
