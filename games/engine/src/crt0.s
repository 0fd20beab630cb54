; Start-up code: interrupt vector, OAM DMA routine, cleared RAM, then main().
; The cartridge header (logo, title, checksums) is filled in by makebin.

	.module crt0
	.globl _main, _scroll_x, _scroll_y, _entropy

	.area	_VECTORS (ABS)
	.org	0x40			; VBlank
	jp	vblank
	.org	0x100
	nop
	jp	start

	.org	0x150
start:
	di
	ld	sp, #0xE000
	ld	hl, #0xC000		; clear work RAM, 8 KB
clear:
	xor	a, a
	ld	(hl+), a
	ld	a, h
	cp	a, #0xE0
	jr	nz, clear
	ld	hl, #dma_routine	; the CPU sees only HRAM while DMA runs
	ld	de, #0xFF80
	ld	b, #(dma_end - dma_routine)
copy:
	ld	a, (hl+)
	ld	(de), a
	inc	de
	dec	b
	jr	nz, copy
	ld	a, #0x01		; IE: VBlank only, so HALT always wakes at VBlank
	ldh	(0xFF), a
	xor	a, a
	ldh	(0x0F), a
	ldh	(0x26), a		; sound off
	ei
	call	_main
	jr	start

vblank:
	push	af
	ldh	a, (0x04)		; DIV, always the same time after the interrupt
	ld	(_entropy), a
	call	0xFF80			; OAM DMA
	ld	a, (_scroll_x)
	ldh	(0x43), a
	ld	a, (_scroll_y)
	ldh	(0x42), a
	pop	af
	reti

dma_routine:
	ld	a, #0xC5		; sprites[] lies at 0xC500
	ldh	(0x46), a
	ld	a, #40
wait:
	dec	a
	jr	nz, wait
	ret
dma_end:

	; The order of the linker's areas.
	.area	_HOME
	.area	_CODE
	.area	_INITIALIZER
	.area	_GSINIT
	.area	_GSFINAL
	.area	_DATA
	.area	_INITIALIZED
	.area	_BSS
