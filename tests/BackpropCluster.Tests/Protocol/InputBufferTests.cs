using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

public class InputBufferTests
{
    private readonly InputBuffer slots = new([2, 1, 3]);

    [Fact]
    public void WhateverTheOrderOfArrivalTheArraysStandByPosition()
    {
        foreach (
            var order in (int[][])
                [
                    [0, 1, 2],
                    [2, 1, 0],
                    [1, 2, 0],
                ]
        )
        {
            foreach (var sender in order)
                Assert.Equal(InputOutcome.Accepted, slots.Put(sender, Array(sender)));
            Assert.Equal([0, 1, 2, 3, 100, 101, 200, 201, 202, 203, 204, 205], slots.Values);
            slots.Clear();
        }
    }

    [Fact]
    public void ItIsFullWithTheLastArrayAndEmptyAfterClear()
    {
        slots.Put(0, Array(0));
        slots.Put(2, Array(2));
        Assert.False(slots.IsFull);
        slots.Put(1, Array(1));
        Assert.True(slots.IsFull);
        slots.Clear();
        Assert.False(slots.IsFull);
    }

    [Fact]
    public void ReadingBeforeItIsFullIsADefect()
    {
        slots.Put(0, Array(0));
        Assert.Contains(
            "2 of 3 arrays missing",
            Assert.Throws<InvariantViolationException>(() => slots.Values).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void ARepeatIsKnownByItsBits()
    {
        slots.Put(1, new Payload(1, 2, [double.NaN, -0.0]));
        Assert.Equal(InputOutcome.Duplicate, slots.Put(1, new Payload(1, 2, [double.NaN, -0.0])));
        Assert.Equal(InputOutcome.Conflict, slots.Put(1, new Payload(1, 2, [double.NaN, 0.0])));
        Assert.False(slots.IsFull);
    }

    [Theory]
    [InlineData(-1, 2, 2)]
    [InlineData(3, 2, 2)]
    [InlineData(0, 1, 2)] // the first sender has two units
    [InlineData(0, 2, 3)] // the array before had two rows
    public void AnUnknownSenderOrAnotherShapeIsRefused(int sender, int units, int rows)
    {
        slots.Put(1, Array(1));
        Assert.Equal(InputOutcome.Misshapen, slots.Put(sender, new Payload(units, rows, new double[units * rows])));
    }

    [Fact]
    public void TheNextStepMayHaveAnotherNumberOfRows()
    {
        for (var sender = 0; sender < 3; sender++)
            slots.Put(sender, Array(sender));
        slots.Clear();
        for (var sender = 0; sender < 3; sender++)
        {
            var units =
                sender == 0 ? 2
                : sender == 1 ? 1
                : 3;
            Assert.Equal(
                InputOutcome.Accepted,
                slots.Put(sender, new Payload(units, 1, [.. Enumerable.Repeat((double)sender, units)]))
            );
        }

        Assert.Equal(1, slots.Rows);
        Assert.Equal([0, 0, 1, 2, 2, 2], slots.Values);
    }

    [Fact]
    public void ASingleSendersArrayIsHeldNotCopied()
    {
        var single = new InputBuffer([4]);
        var payload = new Payload(4, 1, [1, 2, 3, 4]);
        single.Put(0, payload);
        Assert.Same(payload.Values, single.Values);
        Assert.Equal(InputOutcome.Duplicate, single.Put(0, new Payload(4, 1, [1, 2, 3, 4])));
        Assert.Equal(InputOutcome.Conflict, single.Put(0, new Payload(4, 1, [1, 2, 3, 5])));
    }

    // Two rows; the sender's hundreds.
    private static Payload Array(int sender)
    {
        int[] units = [2, 1, 3];
        return new Payload(
            units[sender],
            2,
            [.. Enumerable.Range(0, units[sender] * 2).Select(i => 100.0 * sender + i)]
        );
    }
}
