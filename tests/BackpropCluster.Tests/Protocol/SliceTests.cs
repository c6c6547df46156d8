using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

public class SliceTests
{
    [Fact]
    public void ItSpeaksOnlyWhenEverySenderWasHeard()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Advance(1), slice.Letters.Activation(1, TutorialSlice.H2, 0.5));
        slice.Outbox.AssertSilent();
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6));
        Assert.Equal(Recipients.Loss, Assert.Single(slice.Outbox.Sent).To);
    }

    [Fact]
    public void BackwardItAnswersTheLayerBelowAndTheCoordinator()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(1, TutorialSlice.H2, 0.5));
        slice.Outbox.Sent.Clear();
        slice.Receive(slice.Letters.Slopes(1));
        Assert.Equal([(Recipients.SlicesOf(1), typeof(Deltas)), (Recipients.Coordinator, typeof(Ready))], slice.Outbox.Sent.Select(s => (s.To, s.Message.GetType())));
    }

    // A payload is shared by all receivers on a silo: whoever wrote to it before the commit would change numbers under its neighbours.
    [Fact]
    public void WhatItSentIsFilledAnewOnlyWhenTheStepIsCommitted()
    {
        var slice = TutorialSlice.After(steps: 0);
        Message[] step = [slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(1, TutorialSlice.H2, 0.5), slice.Letters.Slopes(1)];
        slice.Receive(step);
        var payloads = Payloads(slice);
        var before = payloads.Select(p => p.Values[0]).ToArray();
        Assert.Equal(2, before.Length);
        slice.Receive(step);
        Assert.Equal(before, payloads.Select(p => p.Values[0]));
        slice.Receive(slice.Letters.Activation(2, TutorialSlice.H1, 0.1), slice.Letters.Activation(2, TutorialSlice.H2, 0.9), slice.Letters.Slopes(2));
        Assert.NotEqual(before, payloads.Select(p => p.Values[0]));
    }

    // Its sender may be filling the array for the next step already: other bits under the old key are no contradiction then.
    [Fact]
    public void AfterItsReadyARepeatIsNotLookedAt()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(1, TutorialSlice.H2, 0.5), slice.Letters.Slopes(1));
        slice.Outbox.Sent.Clear();
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.7), slice.Letters.Slopes(1, first: 0.1));
        slice.Outbox.AssertSilent();
    }

    [Fact]
    public void WhatItReceivedItDoesNotChange()
    {
        var slice = TutorialSlice.After(steps: 0);
        var (x, d) = (slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Slopes(1));
        slice.Receive(x, slice.Letters.Activation(1, TutorialSlice.H2, 0.5), d, slice.Letters.Advance(2));
        Assert.Equal([0.6], x.Values.Values);
        Assert.Equal([0.7, -0.2], d.Values.Values);
    }

    // Observers keep what they are told; a buffer that the next step fills again would rewrite their history.
    [Fact]
    public void WhatItObservedDoesNotChangeInTheNextStep()
    {
        var slice = new TutorialSlice(Runs.Mazur(100, UpdateOrder.AfterBackward) with { Trace = new TraceSpec(100, 0) });
        slice.Receive(slice.Letters.Restore());
        var trace = new TraceContext(1, 2, 3);
        void Forward(int step, PartId from, double y)
        {
            var message = slice.Letters.Activation(step, from, y);
            slice.Receive(message with { Key = message.Key with { Trace = trace } });
        }

        Forward(1, TutorialSlice.H1, 0.6);
        Forward(1, TutorialSlice.H2, 0.5);
        slice.Receive(slice.Letters.Slopes(1));
        var first = slice.Outbox.Observations.OfType<SliceForward>().Single();
        Assert.Equal([0.6, 0.5], first.X);
        Forward(2, TutorialSlice.H1, 0.1);
        Forward(2, TutorialSlice.H2, 0.9);
        Assert.Equal([0.6, 0.5], first.X);
    }

    [Fact]
    public void WithoutATraceItObservesNothing() => Assert.Empty(TutorialSlice.After(steps: 3).Outbox.Observations);

    private static Payload[] Payloads(TutorialSlice slice) =>
        [.. slice.Outbox.Sent.Select(s => s.Message switch { Activations a => a.Values, Deltas d => d.Values, _ => null }).OfType<Payload>()];
}
