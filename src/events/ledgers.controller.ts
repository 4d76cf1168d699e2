import { Body, Controller, Get, Param, Post, Put, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsString, Length } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import { mayUseLedger, type Principal } from '../access/principal.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { AppendGate } from './append-gate.js';
import { Ledgers } from './ledgers.js';
import { LedgerClock } from './ledger-clock.js';

export class CreateLedgerDto {
  @ApiPropertyOptional({
    description: 'Only to be sure: what the origin must be',
    example: 'audit.example.com/truetrail/desk-1',
  })
  @IsOptional()
  @IsString()
  @Length(1, 300)
  origin?: string;
}

export class AcceptClockDto {
  @ApiProperty({
    description: 'Why appends may go on with the recorded time of the head',
    example: 'NTP fault of 3 June, ticket 4711',
  })
  @IsString()
  @Length(1, 1000)
  reason: string;
}

export class LedgerDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '2', description: 'Events, and the sequence of the last' })
  size: string;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9',
  })
  event_hash: string | null;
  @ApiProperty({
    example: '0',
    description: 'Events up to this sequence have left the database: they are read from the archive',
  })
  archived_to: string;
  @ApiProperty({ enum: ['open', 'closed'], example: 'open' })
  state: string;
  @ApiProperty({ example: '2026-06-02T08:00:00.000000Z' })
  created_at: string;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-02T08:15:30.123456Z' })
  recorded_at: string | null;
}

export class LedgerListDto {
  @ApiProperty({ type: [LedgerDto] })
  ledgers: LedgerDto[];
}

@ApiTags('ledgers')
@Controller('v1/ledgers')
export class LedgersController {
  constructor(
    private readonly ledgers: Ledgers,
    private readonly clock: LedgerClock,
    private readonly gate: AppendGate,
  ) {}

  @Get()
  @Access('events:read')
  @ApiOperation({ operationId: 'listLedgers', summary: 'The ledgers that these credentials are for' })
  @ApiAnswer(200, LedgerListDto)
  @ApiProblems()
  async list(@Caller() caller: Principal): Promise<LedgerListDto> {
    return { ledgers: (await this.ledgers.list()).filter(({ ledger }) => mayUseLedger(caller, ledger)) };
  }

  @Get(':ledger')
  @Access('events:read')
  @ApiOperation({ operationId: 'readLedger', summary: 'Where a ledger stands' })
  @ApiAnswer(200, LedgerDto)
  @ApiProblems('ledger-not-found')
  read(@Param('ledger') ledger: string): Promise<LedgerDto> {
    return this.ledgers.state(ledger);
  }

  @Put(':ledger')
  @Access('operations:run')
  @ApiOperation({ operationId: 'createLedger', summary: 'Make a ledger: 201, or 200 when it is there' })
  @ApiBody({ type: CreateLedgerDto, required: false })
  @ApiAnswer(201, LedgerDto)
  @ApiAnswer(200, LedgerDto)
  @ApiProblems(
    'invalid-parameter',
    'invalid-body',
    'ledger-origin-conflict',
    'ledger-behind-its-anchor',
    'anchors-unavailable',
  )
  async create(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LedgerDto> {
    const wanted = body === undefined || body === null ? undefined : new BodyPipe(CreateLedgerDto).transform(body);
    await this.gate.admit(ledger); // not anew over a past that was signed
    const { created, state } = await this.ledgers.create(ledger, wanted?.origin);
    void reply.code(created ? 201 : 200);
    return state;
  }

  @Post(':ledger/clock-acceptances')
  @Access('operations:run')
  @ApiOperation({
    operationId: 'acceptClockAhead',
    summary: 'Let appends go on although the head lies ahead of the clock',
    description:
      "An administrator's act after a clock ran ahead and was set back: recorded, and nothing is rewritten. Events keep the head's recorded_at until the clock has caught up.",
  })
  @ApiAnswer(201, LedgerDto)
  @ApiProblems('ledger-not-found', 'invalid-body', 'database-unavailable')
  async acceptClock(
    @Param('ledger') ledger: string,
    @Body(new BodyPipe(AcceptClockDto)) { reason }: AcceptClockDto,
    @Caller() caller: Principal,
  ): Promise<LedgerDto> {
    await this.clock.acceptAhead(ledger, reason, caller);
    return this.ledgers.state(ledger);
  }
}
