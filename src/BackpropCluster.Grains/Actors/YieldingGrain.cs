namespace BackpropCluster.Grains.Actors;

/// <summary>A grain whose first turn runs without the runtime's lock on its activation.</summary>
/// <remarks>Orleans starts the loop of a new activation under that lock, and goes on to the first message under it if
/// nothing on the way there waits, as nothing does without a grain directory. If such a turn asks for an exchange's
/// lock while another thread holds that one and sends to this grain, both wait for ever, and the silo's share of the
/// run with them (docs/decisions/0023).</remarks>
internal abstract class YieldingGrain : Grain
{
    public override async Task OnActivateAsync(CancellationToken cancellationToken) => await Task.Yield();
}
